"""What only command lines need: edits of configs, errors for people, launchers, messages."""
