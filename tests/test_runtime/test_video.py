"""Videos in and out, with PyAV."""

import re
import socket
import sys
from contextlib import contextmanager
from fractions import Fraction
from threading import Thread

import numpy as np
import pytest

from directpose.runtime.video import Camera, Video, VideoError, VideoWriter, ffmpeg

av = pytest.importorskip('av')


def picture(index, size=(64, 48)):
    """A grey level of its own for each frame, darker at the left."""
    width, height = size
    image = np.full((height, width, 3), 40 + 10 * (index % 20), np.uint8)
    image[:, : width // 2] = 20
    return image


def write_video(
    path,
    num_frames=10,
    rate=25,
    size=(64, 48),
    sound=None,
    sound_rate=8000,
    codec='libx264',
    picture=picture,
    pixel_aspect=Fraction(1),
):
    """A video of pictures, with a tone as its sound."""
    container = av.open(str(path), 'w')
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height = size
    stream.pix_fmt = 'yuv420p'
    stream.codec_context.sample_aspect_ratio = pixel_aspect
    track = container.add_stream(sound, rate=sound_rate, layout='mono') if sound else None
    for index in range(num_frames):
        frame = av.VideoFrame.from_ndarray(picture(index, size), format='bgr24')
        container.mux(stream.encode(frame))
        if track is not None:
            step = sound_rate // rate
            times = (np.arange(step) + index * step) / sound_rate
            wave = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
            samples = av.AudioFrame.from_ndarray(wave[None], format='s16', layout='mono')
            samples.rate, samples.pts = sound_rate, index * step
            samples.time_base = Fraction(1, sound_rate)
            container.mux(track.encode(samples))
    container.mux(stream.encode(None))
    if track is not None:
        container.mux(track.encode(None))
    container.close()
    return path


def write_at(path, ticks, last_for=1):
    """A video of single pictures, each at its time in units of 1/25 s."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('mjpeg', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuvj420p'
        for index, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(picture(index), format='bgr24')
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            for packet in stream.encode(frame):
                packet.duration = last_for if tick == ticks[-1] else 1
                container.mux(packet)
    return path


def damage(path, numbers):
    """Overwrite some of the packets of a video."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for number in numbers:
        place = data.index(packets[number])
        data[place : place + len(packets[number])] = bytes(len(packets[number]))
    path.write_bytes(data)
    return path


def damage_sound(path):
    """Overwrite every other packet of the sound."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    for packet in packets[1::2]:
        place = data.index(packet)
        data[place : place + len(packet)] = b'\xff' * len(packet)
    path.write_bytes(data)
    return path


def rewrite(source, target):
    """Write the frames of a video and its sound to another one, and return the writer."""
    video = Video(source)
    for frame in video:
        if frame.index == 0:
            height, width = frame.image.shape[:2]
            writer = VideoWriter(target, (width, height), video.rate, source)
        writer.write(frame.image, frame.time)
    writer.close()
    video.close()
    return writer


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


# What a display matrix says: a, b, c, d, and the turns and mirrors of numpy that do the same.
DISPLAYS = {
    'clockwise': ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    'counterclockwise': ((0, -1, 1, 0), np.rot90),
    'half a turn': ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    'mirrored': ((-1, 0, 0, 1), np.fliplr),
    'upside down': ((1, 0, 0, -1), np.flipud),
    'transposed': ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
}


@pytest.mark.parametrize('matrix, change', DISPLAYS.values(), ids=DISPLAYS)
def test_frames_are_turned_and_mirrored_as_the_video_says(tmp_path, matrix, change):
    def picture(*_):
        image = np.full((48, 64, 3), 20, np.uint8)
        image[:16, :16] = 240  # one corner of four
        return image

    path = write_video(tmp_path / 'clip.mp4', picture=picture)
    expected = change(next(iter(Video(path))).image)
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 44
    a, b, c, d = (n << 16 for n in matrix)
    numbers = [a, b, 0, c, d, 0, 64 << 16, 64 << 16, 1 << 30]
    data[start : start + 36] = b''.join(n.to_bytes(4, signed=True) for n in numbers)
    path.write_bytes(data)
    image = next(iter(Video(path))).image
    np.testing.assert_array_equal(image, expected)
    assert image.flags.c_contiguous


@pytest.mark.parametrize(
    'pixel_aspect, size',
    [(Fraction(3, 2), (96, 48)), (Fraction(2, 3), (64, 72)), (Fraction(50_000), (64, 48))],
)
def test_the_pixels_of_frames_are_squares(tmp_path, pixel_aspect, size):
    path = write_video(tmp_path / 'clip.mkv', pixel_aspect=pixel_aspect)
    image = next(iter(Video(path))).image
    assert image.shape[1::-1] == size
    middle = size[0] // 2
    assert image[:, : middle - 8].max() < 30 < image[:, middle + 8 :].min()


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
            frames = list(container.decode(audio=0))
            wave, rate = np.concatenate([f.to_ndarray().ravel() for f in frames]), frames[0].rate
            assert len(wave) / rate == pytest.approx(1, abs=0.3)
            spectrum = np.abs(np.fft.rfft(wave.astype(float)))
            assert spectrum.argmax() / len(wave) * rate == pytest.approx(440, abs=5)
    times = [frame.time for frame in Video(tmp_path / 'out.mp4')]
    np.testing.assert_allclose(times, np.arange(25) / 25, atol=1e-3)


def test_times_that_stand_still_or_go_back_are_mended(tmp_path):
    writer = VideoWriter(tmp_path / 'out.mp4', (64, 48), Fraction(25))
    for time in (0, 0.1, 0.1, 0.05, 0.2):
        writer.write(picture(0), time)
    writer.close()
    times = [frame.time for frame in Video(tmp_path / 'out.mp4')]
    assert len(times) == 5 and (np.diff(times) > 0).all() and times[-1] == pytest.approx(0.2)


def sound_times(path):
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(audio=0)]


# The sound is copied, or encoded anew.
@pytest.mark.parametrize('ending, sound', [('.mkv', 'aac'), ('.avi', 'adpcm_ms')])
def test_a_video_that_does_not_start_at_0_is_written_from_0(tmp_path, ending, sound):
    clip = write_video(tmp_path / f'clip{ending}', num_frames=75, sound=sound)
    writer = VideoWriter(tmp_path / 'out.mp4', (64, 48), Fraction(25), sound_from=clip)
    for index in range(50, 75):  # as if the frames before were not there
        writer.write(picture(0), index / 25)
    writer.close()
    times = [frame.time for frame in Video(tmp_path / 'out.mp4')]
    np.testing.assert_allclose(times, np.arange(25) / 25, atol=1e-3)
    heard = sound_times(tmp_path / 'out.mp4')
    assert heard[0] < 0.2 and 0.8 < heard[-1] < 1.2  # one second of three


def test_names_may_have_colons(tmp_path, monkeypatch):
    """FFmpeg would take what stands before the colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / 'clip.mp4').rename('10:30.mp4')
    frames = list(Video('10:30.mp4'))
    writer = VideoWriter('out:1.mp4', (64, 48), Fraction(25), sound_from='10:30.mp4')
    for frame in frames:
        writer.write(frame.image, frame.time)
    writer.close()
    assert len(frames) == len(list(Video('out:1.mp4'))) == 10


def test_a_new_clock_goes_on_where_the_old_one_ends(tmp_path):
    """The sound stops there, because its clock may change at another moment."""
    clip = write_video(tmp_path / 'clip.mkv', num_frames=75, sound='aac')
    writer = VideoWriter(tmp_path / 'out.mp4', (64, 48), Fraction(25), sound_from=clip)
    for start in (0, 40, 0, 90_000):
        for index in range(10):
            writer.write(picture(0), start + index / 25)
    writer.close()
    times = [frame.time for frame in Video(tmp_path / 'out.mp4')]
    steps = np.diff(times)
    assert len(times) == 40 and steps[9] == pytest.approx(40 - 9 / 25, abs=1e-3)
    np.testing.assert_allclose(np.delete(steps, 9), 1 / 25, atol=1e-3)
    assert writer.broken == 0
    writer = VideoWriter(tmp_path / 'out.mp4', (64, 48), Fraction(25), sound_from=clip)
    for start in (2, 0):
        for index in range(10):
            writer.write(picture(0), start + index / 25)
    writer.close()
    assert writer.broken == 1


def test_broken_pieces_are_counted_and_passed_over(tmp_path):
    path = write_video(tmp_path / 'clip.mkv', num_frames=60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 80] = bytes(80)
    path.write_bytes(data)
    video = Video(path)
    frames = list(video)
    assert video.broken and 0 < len(frames) < 60


@pytest.mark.parametrize('ending, sound', [('.avi', 'adpcm_ms'), ('.mkv', 'aac'), ('.mp4', 'aac')])
def test_a_broken_sound_costs_no_frame(tmp_path, ending, sound):
    """Neither do the pieces of it that can be decoded go, whether encoded anew or copied."""
    clip = damage_sound(write_video(tmp_path / f'clip{ending}', num_frames=50, sound=sound))
    writer = rewrite(clip, tmp_path / 'out.mp4')
    with av.open(str(tmp_path / 'out.mp4')) as container:
        assert container.streams.video[0].frames == 50
        assert writer.broken > 2
        assert sum(f.samples / f.rate for f in container.decode(audio=0)) > 0.9
        container.seek(0)
        last = list(container.demux(audio=0))[-2]
        assert float(last.pts * last.time_base) == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(
    'ending, sound, rate', [('.mkv', 'pcm_s16le', 13_000), ('.ts', 'aac', 16_000)]
)
def test_sound_of_a_rate_that_aac_lacks_and_of_a_stream_is_kept(tmp_path, ending, sound, rate):
    clip = write_video(tmp_path / f'clip{ending}', num_frames=25, sound=sound, sound_rate=rate)
    assert rewrite(clip, tmp_path / 'out.mp4').broken == 0
    with av.open(str(tmp_path / 'out.mp4')) as container:
        assert container.streams.audio[0].codec_context.name == 'aac'
        assert sum(f.samples / f.rate for f in container.decode(audio=0)) > 0.7


def test_sound_that_mp4_does_not_take_is_left_out_and_counted(tmp_path, monkeypatch):
    """Here, because it is taken for one that can be copied."""
    monkeypatch.setattr('directpose.runtime.video.sound.SOUNDS_OF_MP4', {'adpcm_ms'})
    clip = write_video(tmp_path / 'clip.avi', sound='adpcm_ms')
    assert rewrite(clip, tmp_path / 'out.mp4').broken == 1
    with av.open(str(tmp_path / 'out.mp4')) as container:
        assert container.streams.video[0].frames == 10 and not container.streams.audio


def test_frames_that_change_their_size_fit_into_the_first(tmp_path):
    parts = [
        write_video(tmp_path / f'{width}.ts', num_frames=30, size=(width, height))
        for width, height in ((64, 48), (48, 96), (96, 96))
    ]
    clip = tmp_path / 'clip.ts'
    clip.write_bytes(b''.join(part.read_bytes() for part in parts))
    rewrite(clip, tmp_path / 'out.mp4')
    frames = list(Video(tmp_path / 'out.mp4'))
    np.testing.assert_allclose(np.diff([frame.time for frame in frames]), 1 / 25, atol=1e-3)
    images = [frame.image.astype(int) for frame in frames]
    assert len(images) == 90 and {image.shape for image in images} == {(48, 64, 3)}
    for start, width in ((30, 24), (60, 48)):  # the whole frame, in the middle of black
        image, left = images[start + 5], (64 - width) // 2
        assert image[:, : left - 2].max() < 10 and image[:, 64 - left + 2 :].max() < 10
        assert image[:, left + 3 : 29].min() > 10 and image[:, 35 : 61 - left].min() > 60


def test_frames_over_the_limit_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    """Those of the first size by the header; those that come later are broken pieces."""
    small = write_video(tmp_path / 'small.ts', num_frames=30)
    large = write_video(tmp_path / 'large.ts', num_frames=30, size=(96, 96))
    small.write_bytes(small.read_bytes() + large.read_bytes())
    monkeypatch.setattr('directpose.runtime.video.reader.MAX_PIXELS', 64 * 48)
    with pytest.raises(VideoError, match='large.ts: its frames have 96 x 96 .* limit of 3,072'):
        Video(large)
    video = Video(small)
    assert {frame.image.shape for frame in video} == {(48, 64, 3)} and video.broken > 0


def test_a_tag_in_another_encoding_is_no_obstacle(tmp_path):
    path = write_video(tmp_path / 'clip.mkv', num_frames=3, sound='aac')
    path.write_bytes(path.read_bytes().replace(b'Lavf', b'L\xe4vf'))
    rewrite(path, tmp_path / 'out.mp4')
    assert len(list(Video(tmp_path / 'out.mp4'))) == 3


@pytest.mark.parametrize('codec', [b'V_MPEG4', b'A_PCM/I'])
def test_pictures_in_an_unknown_format_are_refused_and_sound_is_left_out(tmp_path, codec):
    path = write_video(tmp_path / 'clip.mkv', num_frames=3, sound='pcm_s16le')
    path.write_bytes(path.read_bytes().replace(codec, codec[:2] + b'OTHER'))
    if codec.startswith(b'A'):
        assert rewrite(path, tmp_path / 'out.mp4').broken == 1
    else:
        with pytest.raises(VideoError, match='does not know the format of the video'):
            Video(path)


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / 'text.mp4').write_text('text')
    for name, message in [('text.mp4', 'cannot be read'), ('gone.mp4', 'No such file')]:
        with pytest.raises(VideoError, match=f'{name}.*{message}'):
            Video(tmp_path / name)


HEADER = b'HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n'


@contextmanager
def silent_after(sent):
    """Give the port of a server that answers once with these bytes, and then says nothing."""
    with socket.create_server(('127.0.0.1', 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.sendall(sent)
                while connection.recv(4096):  # until the reader hangs up
                    pass

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_a_stream_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(ffmpeg, 'STREAM_TIMEOUT', 0.3)
    with silent_after(b'') as port:
        address = f'rtsp://127.0.0.1:{port}/camera'
        with pytest.raises(VideoError, match=f'{address}: .*there is no answer within 0.3 sec'):
            Video(address)


def test_a_stream_that_stops_ends_and_counts_as_broken(tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg, 'STREAM_TIMEOUT', 1.0)
    clip = write_video(tmp_path / 'clip.ts', num_frames=60).read_bytes()
    with silent_after(HEADER + clip) as port:
        video = Video(f'http://127.0.0.1:{port}/clip.ts')
        frames = list(video)
        video.close()
    assert len(frames) == 60 and video.broken == 1


def test_a_camera_that_is_not_there_is_named():
    pytest.importorskip('cv2')
    with pytest.raises(VideoError, match='camera 97 cannot be opened'):
        Camera(97)


def test_missing_pyav_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    with pytest.raises(ImportError, match=r"pip install 'directpose\[video\]'"):
        Video(tmp_path / 'clip.mp4')


def test_frames_after_a_lost_one_keep_their_numbers_and_the_time_is_named(tmp_path):
    video = Video(damage(write_at(tmp_path / 'clip.avi', range(20)), [9]))
    assert [frame.index for frame in video] == [*range(9), *range(10, 20)]
    assert video.faults == [('1 of its pieces could not be decoded, at 0.36 s', 1)]


@pytest.mark.parametrize('ending', ['.mp4', '.mkv', '.avi'])
def test_a_file_that_is_cut_off_says_so(tmp_path, ending):
    path = write_video(tmp_path / f'clip{ending}', num_frames=100, codec='mpeg4')
    whole = Video(path)
    assert len(list(whole)) == 100 and whole.faults == []
    if ending == '.mp4':  # the index must stand first, or a part of the file cannot be opened
        front = tmp_path / 'front.mp4'
        with av.open(str(path)) as source:
            with av.open(str(front), 'w', options={'movflags': 'faststart'}) as target:
                stream = target.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is not None:
                        packet.stream = stream
                        target.mux(packet)
        path = front
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = Video(path)
    number = len(list(video))
    assert 5 < number < 80
    message = (
        rf'the file says that it lasts \d\.\d s, but its pictures end after {number / 25:.1f} s'
    )
    assert re.match(message, video.faults[-1][0])


def test_a_sound_that_is_longer_is_no_fault(tmp_path):
    path = tmp_path / 'clip.mkv'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('mpeg4', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        track = container.add_stream('pcm_s16le', rate=8000, layout='mono')
        frame = av.VideoFrame.from_ndarray(picture(0), format='bgr24')
        for _ in range(25):
            container.mux(stream.encode(frame))
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 40_000), np.int16), format='s16', layout='mono'
        )
        silence.rate = 8000
        container.mux(track.encode(silence))
        for one in (stream, track):
            container.mux(one.encode(None))
    video = Video(path)
    assert len(list(video)) == 25 and video.faults == []


def test_a_last_frame_that_stays_long_is_no_fault(tmp_path):
    path = write_at(tmp_path / 'clip.mp4', range(25), last_for=75)
    with av.open(str(path)) as container:
        assert ffmpeg.duration(container) == pytest.approx(24 / 25 + 3)
    video = Video(path)
    assert len(list(video)) == 25 and video.faults == []


def test_a_long_frame_after_a_lost_one_is_one_frame(tmp_path):
    path = damage(write_at(tmp_path / 'clip.mkv', [*range(10), *range(15, 20)]), [4])
    video = Video(path)
    assert [frame.index for frame in video] == [0, 1, 2, 3, *range(5, 15)]
    assert video.faults == [('1 of its pieces could not be decoded, at 0.16 s', 1)]


def test_frames_that_are_lost_at_the_start_count(tmp_path):
    path = damage(write_at(tmp_path / 'clip.avi', range(20)), range(3))
    video = Video(path)
    assert [frame.index for frame in video] == [*range(3, 20)]
    assert video.faults == [('3 of its pieces could not be decoded, at 0.00 s', 3)]


@pytest.fixture
def capture(monkeypatch):
    """The class of OpenCV's cameras, with three frames and a rate that a test may set."""
    cv2 = pytest.importorskip('cv2')

    class Capture:
        rate = 25.0

        def __init__(self, index):
            self.left = 3

        def isOpened(self):
            return True

        def get(self, _):
            return self.rate

        def read(self):
            self.left -= 1
            return self.left >= 0, picture(0)

    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    return Capture


def test_a_camera_that_stops_says_so(capture):
    camera = Camera(0)
    assert [frame.index for frame in camera] == [0, 1, 2]
    assert camera.faults == [('the camera stopped after 3 frames', 1)]


@pytest.mark.parametrize('says', [0.0, -1.0, 0.0001, float('nan'), float('inf')])
def test_a_camera_that_does_not_know_its_rate_has_30_frames_a_second(capture, says):
    capture.rate = 12.5
    assert Camera(0).rate == Fraction(25, 2)
    capture.rate = says
    assert Camera(0).rate == 30
