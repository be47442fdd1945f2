"""The five dashboards as code; ``python -m boards`` writes their JSON beside this folder."""
