"""The size that an image is given before the network sees it."""


def short_side_resize(
    size: tuple[int, int], short_side: int, max_long_side: int
) -> tuple[int, int]:
    """Size of an image resized by its short side, rounded as in maskrcnn-benchmark.

    The long side is cut off to an integer, not rounded, which differs from
    :func:`mmcv.rescale_size` by a pixel for about every second image.

    Args:
        size (tuple[int, int]): Width and height before the resize.
        short_side (int): Length of the short side after it.
        max_long_side (int): Where the long side would exceed this, the short side is shortened
            so that it does not (up to the rounding). An image so thin that its short side
            becomes one pixel has a long side of this length, which changes its shape.

    Returns:
        tuple[int, int]: Width and height after the resize.
    """
    w, h = size
    short, long = min(w, h), max(w, h)
    if long / short * short_side > max_long_side:
        short_side = round(max_long_side * short / long)
    if short_side > 1:
        long_side = int(short_side * long / short)
    else:  # the rounding is as large as the side: the cap goes before the shape
        short_side, long_side = 1, min(long // short, max(max_long_side, 1))
    return (short_side, long_side) if w < h else (long_side, short_side)
