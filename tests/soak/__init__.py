"""Three sidecars for hours, scraped each second while their servers come and go: does anything grow?"""
