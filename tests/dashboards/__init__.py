"""The dashboards: their JSON, their queries on a real cluster through a bad day, and the preview that draws them."""
