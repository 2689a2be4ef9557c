"""The sandbox as a server: requests in, answers and webhooks out."""
