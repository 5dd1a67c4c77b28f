"""Bar 7: the most memory ``handloom track`` holds, on a clip and on the same clip ten times in a row.

python benchmarks/memory.py [--data DATA] [--repeats 10] [--viewer]

--viewer measures the runs that also write the report and the viewer's recording.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
from bench import Clip, Finished, Scorecard, command_line, run_child, temugeb, track_command

GROWTH = 5.0


def repeated(video: Path, times: int, out: Path) -> Path:
    """The video so many times in a row, its packets copied as they are."""
    with av.open(str(out), "w") as target:
        written = None
        offset = 0
        for _ in range(times):
            with av.open(str(video)) as source:
                stream = source.streams.video[0]
                written = written or target.add_stream_from_template(stream)
                end = offset
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.stream = written
                    target.mux(packet)
                offset = end
    return out


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--viewer", action="store_true", help="write the report and the recording as well")
    options = parser.parse_args()

    once = temugeb(options.data)
    extra = ("--report", "--recording") if options.viewer else ("--no-report", "--no-recording")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        videos = [repeated(video, options.repeats, scratch / video.name) for video in once.videos]
        often = Clip(tuple(videos), once.rig)

        def measured(clip: Clip, name: str) -> Finished:
            return run_child(track_command(clip, scratch / name, *extra))

        single, long = measured(once, "once"), measured(often, "often")

    title = "track, with report and recording" if options.viewer else "track, tables only"
    card = Scorecard(title, ("once", f"{options.repeats} times"))
    card.add("peak memory, MB", single.peak_mb, long.peak_mb, digits=1)
    growth = 100 * (long.peak_mb / single.peak_mb - 1)
    card.add("growth, %", "", growth, at_most=GROWTH)
    card.add("wall time, s", single.wall_s, long.wall_s, digits=1)
    card.finish()


if __name__ == "__main__":
    main()
