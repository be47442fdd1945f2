# The image of all programs: galera-exporter and galeractl. No program of the image needs root, a shell, or a file system that
# can be written to.
#
# The base may be any image with python3 (3.11 or newer) and, for the build, its pip and venv: nothing here knows where its
# Python is. Where no index can be reached, put the wheels of requirements-image.lock into wheels/ and give
# --build-arg PIP_NO_INDEX=1.
ARG PYTHON_IMAGE=docker.io/library/python:3.13.16-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ARG PIP_NO_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
# wheels* may match nothing; the lock is always there.
COPY requirements-image.lock wheels* ./
RUN python3 -m venv --without-pip /opt/galera-exporter \
 && python3 -m pip --python /opt/galera-exporter/bin/python3 install -q \
      --no-compile --only-binary :all: --require-hashes --find-links . -r requirements-image.lock
COPY exporter/galera_exporter galera_exporter
# Of the Kubernetes client only its configuration and its requests are used (observer/kube.py): its asyncio twin and the
# classes for each kind of object are 75 MB that nothing loads. The last line loads every program: a missing part shows here.
RUN set -eu; cd /opt/galera-exporter; \
    site=$(bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
    cp -r /build/galera_exporter "$site/"; \
    find "$site" -depth -type d \( -name tests -o -name test -o -name __pycache__ \) -exec rm -rf {} +; \
    rm -rf "$site/kubernetes/aio"; \
    find "$site/kubernetes/client/api" "$site/kubernetes/client/models" -name '*.py' ! -name __init__.py -delete; \
    find bin -mindepth 1 ! -name 'python*' -delete; \
    for entry in galera-exporter:galera_exporter.cli galeractl:galera_exporter.galeractl.cli; do \
      printf '#!/opt/galera-exporter/bin/python3\nimport sys\n\nfrom %s import main\n\nsys.exit(main())\n' "${entry#*:}" \
        > "bin/${entry%%:*}"; \
      chmod 755 "bin/${entry%%:*}"; \
    done; \
    bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site"; \
    bin/galera-exporter --version; bin/galeractl --version; \
    bin/python3 -c 'import bcrypt, yaml, galera_exporter.sidecar, galera_exporter.observer.process'

FROM ${PYTHON_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="galera-exporter" \
      org.opencontainers.image.description="Prometheus exporter, registry in etcd, and observer for MariaDB Galera Cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/galera-exporter /opt/galera-exporter
ENV PATH=/opt/galera-exporter/bin:/usr/local/bin:/usr/bin:/bin
# The standard library may come without bytecode, and none can be written later: what the programs load is compiled here.
# Nothing installs anything into this image, so pip goes.
RUN set -eu; \
    python3 -c 'import bcrypt, yaml, galera_exporter.sidecar, galera_exporter.observer.process, galera_exporter.healthcheck'; \
    python3 -c 'import galera_exporter.galeractl.cli'; \
    for lib in /usr/lib/python3* /usr/local/lib/python3*; do \
      [ ! -d "$lib" ] || find "$lib" -maxdepth 2 -depth -type d \
        \( -name pip -o -name 'pip-*' -o -name ensurepip -o -name idlelib -o -name test \) -exec rm -rf {} +; \
    done; \
    rm -rf /usr/bin/pip* /usr/local/bin/pip* /usr/local/bin/idle* /root/.cache
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 10104 10105
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["python3", "-m", "galera_exporter.healthcheck"]
ENTRYPOINT ["galera-exporter"]
CMD ["--help"]
