"""From a folder to a live product: plan, deploy, roll back, retire, and everything that starts with Hansa itself."""
