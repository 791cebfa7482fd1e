#!/bin/bash
# Databases and roles of Prefect, MLflow, the catalogue and the registry service. Runs once, when the folder of the database is empty.
set -euo pipefail
psql --username postgres --dbname postgres --set ON_ERROR_STOP=1 \
  --set prefect="$PREFECT_PASSWORD" --set mlflow="$MLFLOW_PASSWORD" --set catalog="$CATALOG_PASSWORD" \
  --set reader="$CATALOG_READER_PASSWORD" --set web="$WEB_PASSWORD" <<'SQL'
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE catalog LOGIN CREATEROLE PASSWORD :'catalog';
CREATE ROLE catalog_reader LOGIN PASSWORD :'reader';
CREATE ROLE web LOGIN PASSWORD :'web';
-- pgstac's own roles, so that `fair-models catalog init` needs no superuser to be one of them.
CREATE ROLE pgstac_admin;
CREATE ROLE pgstac_read;
CREATE ROLE pgstac_ingest;
GRANT pgstac_admin, pgstac_read, pgstac_ingest TO catalog WITH ADMIN OPTION;
GRANT pgstac_read TO catalog_reader;
CREATE DATABASE prefect OWNER prefect;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE catalog OWNER catalog;
CREATE DATABASE web OWNER web;
REVOKE CONNECT ON DATABASE prefect, mlflow, catalog, web FROM PUBLIC;
GRANT CONNECT ON DATABASE catalog TO catalog_reader;
\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm;
\connect catalog
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS unaccent;
SQL
