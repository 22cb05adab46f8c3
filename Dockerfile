# The scripts and tests need the dev dependencies; the image does not: only what package.json calls dependencies goes in.
FROM node:24-bookworm-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    SESSIOND_HOST=0.0.0.0 \
    SESSIOND_FORMER_BASE_DIR=/data \
    WAHA_LOG_FORMAT=JSON \
    WAHA_PRINT_QR=false \
    MALLOC_ARENA_MAX=1
WORKDIR /app
COPY --from=modules /app/node_modules node_modules
COPY package.json ./
COPY gen gen
COPY src src
# As the first process Node would have to collect what browsers leave when they end, and it does not: tini does.
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g root -m 770 .sessions
USER node
# WAHA's place for it. Its group is root's, as that of users without a name is (OpenShift, docker run --user 54321).
VOLUME /app/.sessions
EXPOSE 3000
# SIGTERM has to reach Node itself, so no shell and no npm in between; tini hands it on.
ENTRYPOINT ["tini", "--"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "src/commands/health.ts"]
CMD ["node", "--max-semi-space-size=2", "src/main.ts"]
