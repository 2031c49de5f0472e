"""Windows, features, augmentation and the scaler."""
