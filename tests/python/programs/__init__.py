"""Programs that scripts/ starts; each is also a module, so that a suite can run a short turn of it."""
