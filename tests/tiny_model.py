"""An exported file in small, for tests of what surrounds the network."""

import json

import pytest


def tiny_file(path, rates_keypoints=False, **settings):
    """A file in the form of an exported one: the mean of the picture is a person's position.

    Where the file rates keypoints, a hundredth of the mean is the score of the one keypoint, and
    two hundredths are its probability of being hidden. Settings are added to those of the file.
    """
    onnx = pytest.importorskip('onnx')
    graph = onnx.parser.parse_graph("""
        g (float[batch, 3, height, width] images, int64[batch, 2] image_sizes, float[1] score_thr)
          => (float[batch, 1, 1, 2] keypoints, float[batch, 1] scores, float[batch, 1, 4] boxes,
              float[batch, 1, 1] keypoint_scores, float[batch, 1, 1] keypoints_hidden)
          <int64[1] one = {1}, int64[2] as_scores = {-1, 1}, int64[4] as_points = {-1, 1, 1, 1},
           int64[3] as_boxes = {-1, 1, 1}, int64[3] axes = {1, 2, 3},
           int64[4] two = {1, 1, 1, 2}, int64[3] four = {1, 1, 4},
           int64[3] as_ratings = {-1, 1, 1}, float hundred = {100.0}>
        {
          mean = ReduceMean(images, axes)
          scores = Reshape(mean, as_scores)
          points = Reshape(mean, as_points)
          keypoints = Tile(points, two)
          box = Reshape(mean, as_boxes)
          boxes = Tile(box, four)
          part = Div(mean, hundred)
          keypoint_scores = Reshape(part, as_ratings)
          keypoints_hidden = Add(keypoint_scores, keypoint_scores)
        }""")
    if not rates_keypoints:
        del graph.output[3:]
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10
    )
    settings = dict(
        short_side=32,
        max_long_side=64,
        pad_size_divisor=32,
        score_thr=0.1,
        nms=None,
        keypoint_names=['middle'],
        skeleton_links=[],
        **settings,
    )
    onnx.helper.set_model_props(model, dict(directpose=json.dumps(settings)))
    onnx.save(model, path)
    return path
