"""The layout of VGG16: its blocks, the names of its layers, and the preprocessing of its pretrained weights."""

# (convolutions, filters at width 1) of each block; a pooling of 2 ends it.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
SMALLEST_IMAGE = 2 ** len(BLOCKS)

# The layers that give a feature map: the ReLUs of each block, then its pooling.
LAYER_NAMES = tuple(
    name
    for block, (convolutions, _) in enumerate(BLOCKS, start=1)
    for name in (*(f"block{block}_relu{number}" for number in range(1, convolutions + 1)), f"block{block}_pool")
)

# The statistics of ImageNet for pixels from 0 to 1, as torchvision and timm use them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# (mean, std) of raw pixels from 0 to 255, in RGB. Keras's network takes BGR; here its first kernel is reversed instead.
TORCH_PREPROCESSING = tuple(tuple(255 * value for value in values) for values in (IMAGENET_MEAN, IMAGENET_STD))
CAFFE_PREPROCESSING = ((123.68, 116.779, 103.939), (1.0, 1.0, 1.0))


def convolution_names():
    """The names of the convolutions, in their order."""
    return [f"block{block}_conv{n}" for block, (count, _) in enumerate(BLOCKS, 1) for n in range(1, count + 1)]
