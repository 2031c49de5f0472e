"""Where a training is shown besides its own files: TensorBoard, MLflow, Weights & Biases."""
