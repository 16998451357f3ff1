"""The core: publications, subscriptions, authorisation."""
