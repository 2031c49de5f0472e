"""IntelliRehabDS: real people, as published, with its defects."""
