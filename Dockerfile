# Signalbox's console, worker and migrations: one image, the command says which.
FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=root:root /app ./
USER node
EXPOSE 4400
# The flag: without it, Node 20 aborts in code that V8 has optimised around Cedar's wasm.
ENTRYPOINT ["node", "--no-turbo-inline-js-wasm-calls", "dist/runtime/cli/main.js"]
CMD ["--help"]
