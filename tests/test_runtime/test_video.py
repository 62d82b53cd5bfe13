"""Videos in and out, with PyAV."""

import sys
from fractions import Fraction

import numpy as np
import pytest

from directpose.runtime.video import Camera, Video, VideoError, VideoWriter

av = pytest.importorskip('av')


def picture(index, size=(64, 48)):
    """A grey level of its own for each frame, darker at the left."""
    width, height = size
    image = np.full((height, width, 3), 40 + 10 * (index % 20), np.uint8)
    image[:, : width // 2] = 20
    return image


def write_video(path, num_frames=10, rate=25, size=(64, 48), sound=None):
    """A video of :func:`picture`, with a tone as its sound."""
    container = av.open(str(path), 'w')
    stream = container.add_stream('libx264', rate=rate)
    stream.width, stream.height = size
    stream.pix_fmt = 'yuv420p'
    track = container.add_stream(sound, rate=8000, layout='mono') if sound else None
    for index in range(num_frames):
        frame = av.VideoFrame.from_ndarray(picture(index, size), format='bgr24')
        container.mux(stream.encode(frame))
        if track is not None:
            step = 8000 // rate
            times = (np.arange(step) + index * step) / 8000
            wave = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(wave[None], format='s16', layout='mono')
            samples.rate, samples.pts = 8000, index * step
            samples.time_base = Fraction(1, 8000)
            container.mux(track.encode(samples))
    container.mux(stream.encode(None))
    if track is not None:
        container.mux(track.encode(None))
    container.close()
    return path


def test_frames_come_in_order_with_their_times(tmp_path):
    video = Video(write_video(tmp_path / 'clip.mp4'))
    frames = list(video)
    video.close()
    assert [frame.index for frame in frames] == list(range(10)) and video.num_frames == 10
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(10) / 25, atol=1e-4)
    for frame in frames:
        assert frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8
        assert np.abs(frame.image[:, 40:] - (40.0 + 10 * frame.index)).max() < 8
        assert np.abs(frame.image[:, :24] - 20.0).max() < 8


def test_a_phone_held_upright_gives_upright_frames(tmp_path):
    path = write_video(tmp_path / 'clip.mp4')
    data = bytearray(path.read_bytes())
    matrix = data.index(b'tkhd') + 44
    turned = [0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30]  # a quarter, clockwise
    data[matrix : matrix + 36] = b''.join(n.to_bytes(4, signed=True) for n in turned)
    path.write_bytes(data)
    image = next(iter(Video(path))).image
    assert image.shape == (64, 48, 3)
    assert image[:28].max() < 30 < image[36:].min()  # what was at the left is at the top


@pytest.mark.parametrize('sound, kept', [('aac', 'aac'), ('pcm_s16le', 'aac'), (None, None)])
@pytest.mark.parametrize('size', [(64, 48), (63, 47)])
def test_what_is_written_plays_in_browsers_with_its_sound(tmp_path, sound, kept, size):
    source = write_video(tmp_path / 'clip.mkv', num_frames=25, sound=sound)
    writer = VideoWriter(tmp_path / 'out.mp4', size, Fraction(25), sound_from=source)
    for index in range(25):
        writer.write(picture(index % 10, size), index / 25)
    writer.close()
    with av.open(str(tmp_path / 'out.mp4')) as container:
        (stream,) = container.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ('h264', 'yuv420p')
        assert stream.frames == 25 and (stream.width, stream.height) == (64, 48)
        tracks = container.streams.audio
        assert [track.codec_context.name for track in tracks] == ([kept] if kept else [])
        if kept:
            wave = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
            assert len(wave) / 8000 == pytest.approx(1, abs=0.3)
            spectrum = np.abs(np.fft.rfft(wave.astype(float)))
            assert spectrum.argmax() / len(wave) * 8000 == pytest.approx(440, abs=5)
    times = [frame.time for frame in Video(tmp_path / 'out.mp4')]
    np.testing.assert_allclose(times, np.arange(25) / 25, atol=1e-3)


def test_times_that_stand_still_or_go_back_are_mended(tmp_path):
    writer = VideoWriter(tmp_path / 'out.mp4', (64, 48), Fraction(25))
    for time in (0, 0.1, 0.1, 0.05, 0.2):
        writer.write(picture(0), time)
    writer.close()
    times = [frame.time for frame in Video(tmp_path / 'out.mp4')]
    assert len(times) == 5 and (np.diff(times) > 0).all() and times[-1] == pytest.approx(0.2)


def test_broken_pieces_are_counted_and_passed_over(tmp_path):
    path = write_video(tmp_path / 'clip.mkv', num_frames=60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 80] = bytes(80)
    path.write_bytes(data)
    video = Video(path)
    frames = list(video)
    assert video.broken and 0 < len(frames) < 60


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / 'text.mp4').write_text('text')
    for name, message in [('text.mp4', 'cannot be read'), ('gone.mp4', 'No such file')]:
        with pytest.raises(VideoError, match=f'{name}.*{message}'):
            Video(tmp_path / name)


def test_a_camera_that_is_not_there_is_named():
    pytest.importorskip('cv2')
    with pytest.raises(VideoError, match='camera 97 cannot be opened'):
        Camera(97)


def test_missing_pyav_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(ImportError, match=r"pip install 'directpose\[video\]'"):
        Video(tmp_path / 'clip.mp4')
