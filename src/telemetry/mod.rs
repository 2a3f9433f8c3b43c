//! squelch about itself: metrics, health, the API of current storms, its own log, systemd.
