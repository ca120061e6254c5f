# One image for every role; which one a container plays is its command: start --roles worker, pool, simulate, keys create ...
#
# In stages, so that the image holds Node, the packages that run and dist/, and neither npm nor a compiler.
FROM docker.io/library/node:24-bookworm-slim AS modules
WORKDIR /build
COPY package.json package-lock.json ./
# No package's own script runs here: nothing of ours needs one, and it is how a stolen package would act.
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM modules AS build
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.ts scripts/tools.ts scripts/
COPY src src
COPY examples examples
RUN node scripts/build.ts

FROM modules AS packages
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 # What only a compiler or a reader wants; licences stay. A package of ours may name the compiler as one it can use.
 && rm -rf node_modules/typescript node_modules/@typescript node_modules/openai/src node_modules/zod/src \
 && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' -o -name '*.tsbuildinfo' \
      -o \( -name '*.md' ! -iname '*license*' ! -iname '*notice*' \) \) -delete

FROM docker.io/library/node:24-bookworm-slim
# What runs needs no package manager, and what is not there cannot be used by whoever breaks in.
RUN rm -rf /usr/local/lib/node_modules /opt/yarn* \
      /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg \
 # DATA_DIR: answers that Redis did not take are kept here until it does. A named volume takes this owner over.
 && mkdir -p /data /app && chown 10001:10001 /data
WORKDIR /app
COPY --from=packages /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY bin bin
COPY package.json README.md CHANGELOG.md ./
# So that `docker exec CONTAINER report-fleet ls` reads as it would on a host.
RUN ln -s /app/bin/report-fleet.js /usr/local/bin/report-fleet
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 3000
# Asks this container only whether its event loop turns: an orchestration that ends unhealthy containers must not end one
# because Redis is away. Whether it takes work is /readyz.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["node", "bin/healthcheck.js", "/livez"]
# No new call begins, calls in flight get the grace period (25 s) to answer, sections are handed on.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/bin/report-fleet.js"]
CMD ["start"]
