"""Who trains, validates and tests."""
