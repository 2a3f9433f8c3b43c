//! Nothing but the targets in `tests/`: each is a property that must hold for any bytes.
