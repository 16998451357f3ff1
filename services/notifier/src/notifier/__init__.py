"""The notifier: builds NOTIFY requests and runs their transactions."""
