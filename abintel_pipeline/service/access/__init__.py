"""Who may call: credentials, and how often a wrong one may be tried."""
