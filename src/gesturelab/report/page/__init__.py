"""A comparison as one self-contained HTML page: tables that sort, pictures, and a player of test recordings."""
