/* stream/spark_macros.h - Spark's functions as DuckDB macros: statements for the engine to run once.
 * Only names that the translation puts in place of Spark's: no DuckDB function is shadowed. */
#pragma once

const char *spark_macros(void);
