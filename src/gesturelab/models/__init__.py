"""The LSTM classifier."""
