/**
 * The layers, as rules:
 *
 *   main > app > {dialects, http, agent, redis, storage} > realtime > core
 *
 * Beside them: `client`, which imports nothing and which nothing of the service imports, and `console`, which imports
 * `client` and knows the service by its documents only.
 *
 * Siblings never import one another, and types count as much as values: a type-only import of Redis
 * would let a dialect depend on its shapes just the same.
 */

/** What each layer may import of our own source, beside itself. */
const LAYERS = {
  client: [],
  core: [],
  realtime: ['^src/core/'],
  redis: ['^src/core/'],
  storage: ['^src/core/'],
  agent: ['^src/core/', '^src/realtime/'],
  http: ['^src/core/', '^src/realtime/', '^src/dialects/dialect[.]ts$', '^src/config([.]ts$|/)'],
};

/** @param {string} layer @param {string[]} allowed */
const layerRule = (layer, allowed) => ({
  name: `${layer}-imports`,
  comment: `src/${layer} may import itself${allowed.length ? ` and ${allowed.join(', ')}` : ' only'}.`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^src/', pathNot: [`^src/${layer}/`, ...allowed] },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...Object.entries(LAYERS).map(([layer, allowed]) => layerRule(layer, allowed)),
    {
      name: 'console-imports',
      comment: 'The console is a client like any other.',
      severity: 'error',
      from: { path: '^src/console/' },
      to: { path: '^src/', pathNot: ['^src/console/', '^src/client/index[.]ts$'] },
    },
    {
      name: 'client-is-apart',
      comment: 'The service does not import what speaks to it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(client|console)/' },
      to: { path: '^src/(client|console)/' },
    },
    {
      name: 'client-is-pure',
      comment: 'src/client runs in browsers too, and depends on nothing.',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { pathNot: '^src/client/' },
    },
    {
      name: 'core-is-pure',
      comment: 'src/core uses Node built-ins at the most, never a package.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { pathNot: '^src/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'dialect-imports',
      comment:
        'A dialect knows core, what lies beside the contract in dialect.ts, and its own folder; never a sibling.',
      severity: 'error',
      from: { path: '^src/dialects/([^/]+)/' },
      to: {
        path: '^src/',
        pathNot: ['^src/dialects/$1/', '^src/core/', '^src/dialects/(dialect|schemas)[.]ts$'],
      },
    },
    {
      name: 'dialect-contract-imports',
      comment: 'The contract of all dialects rests on core alone.',
      severity: 'error',
      from: { path: '^src/dialects/[^/]+[.]ts$' },
      to: { path: '^src/', pathNot: ['^src/dialects/[^/]+[.]ts$', '^src/core/'] },
    },
    {
      name: 'dialect-packages',
      comment: 'A dialect uses typebox, and the types of Fastify; other packages belong to http or redis.',
      severity: 'error',
      from: { path: '^src/dialects/' },
      to: {
        path: 'node_modules/',
        pathNot: 'node_modules/(typebox|fastify|@fastify/type-provider-typebox)/',
      },
    },
    {
      name: 'dialect-fastify-types',
      comment: 'Fastify reaches a dialect as an argument: import its types only.',
      severity: 'error',
      from: { path: '^src/dialects/' },
      to: { path: 'node_modules/(fastify|@fastify)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'config-readers',
      comment:
        'Configuration is read by main, app with its parts, and http; the rest is handed what it needs.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: ['^src/(main|app|parts)[.]ts$', '^src/config([.]ts$|/)', '^src/http/'],
      },
      to: { path: '^src/config([.]ts$|/)' },
    },
    {
      name: 'config-imports',
      comment: 'The configuration stands on core at the most.',
      severity: 'error',
      from: { path: '^src/config([.]ts$|/)' },
      to: { path: '^src/', pathNot: ['^src/core/', '^src/config([.]ts$|/)'] },
    },
    {
      name: 'app-is-the-top',
      comment: 'Only main.ts imports app.ts, and nothing imports main.ts.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main[.]ts$' },
      to: { path: '^src/(app|main)[.]ts$' },
    },
    {
      name: 'parts-are-for-the-app',
      comment: 'parts.ts is where app.ts gets its parts from.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/app[.]ts$' },
      to: { path: '^src/parts[.]ts$' },
    },
    {
      name: 'main-imports',
      comment: 'main.ts is the process: it leaves the parts to app.ts.',
      severity: 'error',
      from: { path: '^src/main[.]ts$' },
      to: { path: '^src/', pathNot: ['^src/app[.]ts$', '^src/config([.]ts$|/)'] },
    },
    {
      name: 'no-cycles',
      comment: 'Modules in a cycle are one module in several files.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-dead-modules',
      comment: 'Source that main.ts does not reach is not part of the program.',
      severity: 'error',
      from: { path: '^src/main[.]ts$' },
      to: { path: '^src/', pathNot: '^src/(client|console)/', reachable: false },
    },
    {
      name: 'no-dev-packages',
      comment: 'The image has no dev dependencies; their types vanish when compiled, their values would not.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/console/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'Every package in use is named in package.json.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'undetermined'] },
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'source-without-tests',
      comment: 'src knows neither tests nor scripts.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.cjs', '.json', '.d.ts'],
    },
    moduleSystems: ['es6', 'cjs'],
  },
};
