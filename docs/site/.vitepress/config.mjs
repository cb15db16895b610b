import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'

const packaged = (path) => fileURLToPath(new URL(`../node_modules/${path}`, import.meta.url))
const flag = /(?<=[ >])--?[a-z][a-z-]*/g
const page = (text, name) => ({ text, link: `/docs/${name}` })

// The pages stay where GitHub shows them, and links between them are the same there and here.
export default defineConfig({
  title: 'Warmgate',
  description: 'KServe services that start fast from Fluid caches, with unchanged manifests',
  srcDir: '../..',
  srcExclude: ['dist/**', 'docs/site/**'],
  outDir: '../../dist/site',
  base: process.env.SITE_BASE ?? '/',
  rewrites: { 'README.md': 'index.md' },
  // Pages are outside of this folder, which has the packages.
  vite: {
    resolve: {
      alias: [
        { find: /^vue$/, replacement: packaged('vue/dist/vue.runtime.esm-bundler.js') },
        {
          find: /^vue\/server-renderer$/,
          replacement: packaged('@vue/server-renderer/dist/server-renderer.esm-bundler.js'),
        },
      ],
    },
  },
  markdown: {
    // As on GitHub, so that anchors are the same.
    anchor: {
      slugify: (heading) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
    },
    config({ renderer }) {
      const { code_inline: code, link_open: link } = renderer.rules
      // Code such as {{ x }} is text, and not a template of Vue.
      renderer.rules.code_inline = (tokens, index, ...rest) => {
        tokens[index].attrSet('v-pre', '')
        // A flag is not broken after its dashes.
        return code(tokens, index, ...rest).replaceAll(flag, '<span style="white-space:nowrap">$&</span>')
      }
      // The site has no source files, so that their names are no links.
      renderer.rules.link_open = (tokens, index, ...rest) =>
        /^(https?:|#)|\.md(#|$)/.test(tokens[index].attrGet('href')) ? link(tokens, index, ...rest) : '<a>'
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    docFooter: { prev: false, next: false },
    sidebar: [
      { text: 'Overview', link: '/' },
      {
        text: 'Start',
        items: [
          page('Report', 'report'),
          page('Plan and simulate', 'plan'),
          page('Install', 'install'),
          page('First service', 'first-service'),
        ],
      },
      {
        text: 'Configure',
        items: [
          page('Policy', 'policy'),
          page('Sources', 'sources'),
          page('Holds', 'holds'),
          page('Caches', 'caches'),
          page('Mirrors', 'mirrors'),
          page('GitOps', 'gitops'),
          page('Neighbours', 'neighbours'),
        ],
      },
      {
        text: 'Operate',
        items: [
          page('Operating', 'operating'),
          page('Events and metrics', 'signals'),
          page('Alerts', 'runbooks/alerts'),
          page('Security', 'security'),
          page('Uninstall', 'uninstall'),
        ],
      },
      {
        text: 'Troubleshoot',
        items: [page('Symptoms', 'troubleshooting'), page('Reasons', 'reasons'), page('Doctor', 'doctor')],
      },
      {
        text: 'Reference',
        items: [
          page('Fields of a policy', 'policy-reference'),
          page('Commands', 'cli'),
          page('Compatibility', 'compatibility'),
          page('Beside other projects', 'peers'),
          page('Demo', 'demo'),
        ],
      },
      {
        text: 'Develop',
        items: [
          page('Architecture', 'architecture'),
          { text: 'Contributing', link: '/CONTRIBUTING' },
          page('Dependencies', 'dependencies'),
          { text: 'Benchmarks', link: '/bench/README' },
          { text: 'Changes', link: '/CHANGELOG' },
        ],
      },
    ],
  },
})
