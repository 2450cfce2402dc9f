"""The plugin daemon: installs plugins and runs model plugins; every request to a model leaves from here."""
