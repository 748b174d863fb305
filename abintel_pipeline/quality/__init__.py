"""What must hold before a day is published (blocking), and what is worth a look (warnings)."""
