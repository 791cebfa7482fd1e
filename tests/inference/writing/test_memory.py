"""What writing many features costs in memory: in a process of its own, at its highest."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from benchmarks.memory import peak_mb
from fair_models.inference.writing.layers import write_geojson
from fair_models.inference.writing.geoparquet import GeoParquetSink, features_in
from fair_models.inference.writing.layers import write_flatgeobuf
from tests.inference.writing.scattered import CLASSES, scattered

folder, count = Path(sys.argv[1]), int(sys.argv[2])
sink = GeoParquetSink(folder / "out.parquet", CLASSES)
for first in range(0, count, 5000):
    sink.write(scattered(5000, first))
sink.close()
write_geojson(sink.path, folder / "out.geojson")
write_flatgeobuf(sink.path, folder / "out.fgb")
assert sum(len(features) for features in features_in(sink.path, CLASSES)) == count
print(round(peak_mb()))
"""


def highest_mb(folder: Path, count: int) -> int:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(count)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_memory_does_not_grow_with_the_number_of_features(tmp_path: Path) -> None:
    few, many = highest_mb(tmp_path / "few", 20_000), highest_mb(tmp_path / "many", 200_000)

    # The index of the FlatGeobuf alone grows: 0.2 kB for each feature, up to its limit.
    assert many - few < 80
    assert (tmp_path / "many" / "out.geojson").stat().st_size > 80 * 2**20
