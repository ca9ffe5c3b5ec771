"""Settings of the commands that train several networks, where nothing is said of the data."""

from keras_attention.config.train_config import TrainConfig

# What is compared should be trained: with twice the epochs these networks gain less than .01. Small images and narrow
# layers allow that in minutes, and many test images cost little and let small differences be found.
DEFAULT_COMPARISON = TrainConfig(
    data_options={"count": 10_000, "clutter": 4, "test_count": 3000},
    image_size=32,
    width=0.125,
    batch_size=16,
    learning_rate=4e-3,
    epochs=8,
)
DEFAULT_SEARCH = TrainConfig(data_options={"count": 2000})  # 12 trials in less than 10 minutes on two slow cores
