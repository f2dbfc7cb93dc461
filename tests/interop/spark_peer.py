"""Apache Spark with Delta Lake, in this process: run by the interpreter that `interpreter()` returns."""
import os
import sys
import tempfile

import peers

SPARK, DELTA, SPARK_LINE, SCALA = "4.2.0", "4.4.0", "4.2", "2.13"
PACKAGES = [f"pyspark=={SPARK}", f"delta-spark=={DELTA}", "deltalake==1.6.6", "pyarrow==26.0.1"]


def interpreter():
    return peers.python("spark", *PACKAGES)


def become(script):
    """Runs the script again with Spark's interpreter, unless this is it."""
    try:
        import pyspark  # noqa: F401
    except ImportError:
        python = interpreter()
        os.execv(python, [python, script, *sys.argv[1:]])


def _jars():
    """Delta's own jars: those that Spark ships in some version stay out."""
    import pyspark
    name = lambda path: path.name.rsplit("-", 1)[0]
    shipped = {name(p) for p in (peers.Path(pyspark.__file__).parent / "jars").glob("*.jar")}
    found = peers.jars("delta-spark", f"io.delta:delta-spark_{SPARK_LINE}_{SCALA}:{DELTA}").glob("*.jar")
    return ",".join(str(p) for p in sorted(found) if name(p) not in shipped)


def session(folder):
    """A session whose files are all below folder; two cores, no page, times in UTC."""
    from pyspark.sql import SparkSession
    os.environ["TZ"] = "UTC"
    settings = {
        "spark.driver.memory": "2g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars": _jars(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.local.dir": tempfile.mkdtemp(dir=folder),
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}/derby -Duser.timezone=UTC",
        # Delta reads its log in 50 tasks otherwise, each longer than the reading
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    builder = SparkSession.builder.appName("interop").master("local[2]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark
