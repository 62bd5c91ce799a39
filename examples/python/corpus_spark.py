#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads a corpus of word images with Spark: Parquet in and out (docs/corpus.md).

    pip install pyspark pandas pyarrow           # and this package; Java 17 or later
    spark-submit corpus_spark.py 'in/*.parquet' OUT [--pool words.pool]

The input has a column `path` (a file that all executors see) or `image` (its bytes). The output keeps its columns but
for `image`, and has text, score, confidence and error. Spark repeats the tasks of executors that die, and its committer
makes the output of each task appear once; what is not finished as a whole begins anew.
"""

import argparse
from collections.abc import Iterator

AT_ONCE = 64  # pictures


def reads(batches: Iterator, pool_path: str | None) -> Iterator:
    """For mapInPandas: one model for all batches of a task."""
    import e2str

    reader = e2str.Reader()
    pool = e2str.Pool.load(reader, pool_path) if pool_path else None

    def one(source: object) -> tuple:
        try:
            found = reader.read(bytes(source) if isinstance(source, bytearray) else source, pool)
            return found.text, found.score, found.confidence, None
        except (e2str.Error, TypeError) as error:  # TypeError: no picture at all, such as None
            return None, None, None, str(error)

    for frame in batches:
        column = 'image' if 'image' in frame else 'path'
        answers = [one(source) for source in frame[column]]
        for name, values in zip(('text', 'score', 'confidence', 'error'), zip(*answers) if answers else [()] * 4):
            frame[name] = list(values)
        yield frame.drop(columns='image') if column == 'image' else frame


def main() -> None:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import FloatType, StringType, StructField, StructType

    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('source')
    parser.add_argument('out')
    parser.add_argument('--pool')
    options = parser.parse_args()
    spark = SparkSession.builder.appName('e2str').config('spark.sql.execution.arrow.maxRecordsPerBatch', AT_ONCE)
    rows = spark.getOrCreate().read.parquet(options.source)
    kept = [field for field in rows.schema if field.name != 'image']
    kinds = {'text': StringType(), 'score': FloatType(), 'confidence': FloatType(), 'error': StringType()}
    schema = StructType(kept + [StructField(name, kind) for name, kind in kinds.items()])
    rows.mapInPandas(lambda batches: reads(batches, options.pool), schema).write.parquet(options.out)


if __name__ == '__main__':
    main()
