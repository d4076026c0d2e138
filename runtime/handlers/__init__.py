"""Lambda entry points, one function a module: parse the event, call the core, errors speak by class name."""
