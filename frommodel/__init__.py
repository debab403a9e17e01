"""The FROM network: training, published weights, metrics and protocols."""
