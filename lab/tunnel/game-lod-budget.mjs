// Missed frames make latency louder, so that the level falls while players only begin to notice.
import { amplified, budgeted, fixed, phase, playGame, reactive } from './game.mjs'

const SHORT = [phase(10, 20), phase(30, 20), phase(60, 20)]
const DAY = [phase(10, 30), phase(30, 30), phase(60, 30), phase(100, 30)]

export default {
  name: 'game-lod-budget',
  aliases: ['game-lod-v2'],
  shows: 'a missed frame budget amplifies the latency that Atrion is given, so that the level changes earlier',
  setUp: '10, 30, 60 players for 20 frames each, and the first four phases of game-lod; amplification up to fourfold',
  async play({ seed }) {
    return {
      reactive: await playGame({ phases: SHORT, controller: reactive, seed }),
      amplified: await playGame({ phases: SHORT, controller: amplified, seed }),
      budgeted: await playGame({ phases: SHORT, controller: budgeted, seed }),
      fixedInDay: await playGame({ phases: DAY, controller: fixed, seed }),
      reactiveInDay: await playGame({ phases: DAY, controller: reactive, seed }),
      amplifiedInDay: await playGame({ phases: DAY, controller: amplified, seed }),
    }
  },
  claims: [
    {
      says: 'the first switch is at frame 41',
      figure: 'amplified.firstSwitchTick',
      is: '<=',
      value: 41,
      headline: true,
    },
    { says: 'where game-lod has none', figure: 'reactive.switches', is: '=', value: 0 },
    {
      says: 'in the same traffic it is 30 frames ahead',
      figure: 'amplifiedInDay.firstSwitchTick',
      is: '<=',
      value: 61,
    },
    { says: 'than game-lod', figure: 'amplifiedInDay.firstSwitchTick', is: '<', than: 'reactiveInDay.firstSwitchTick' },
    {
      says: 'and misses fewer frames',
      figure: 'amplifiedInDay.missedShare',
      is: '<',
      than: 'reactiveInDay.missedShare',
    },
    {
      says: 'given what a frame may take, it is earlier still',
      figure: 'budgeted.firstSwitchTick',
      is: '<',
      than: 'amplified.firstSwitchTick',
    },
    { says: 'and misses half as many', figure: 'budgeted.missedShare', is: '<=', value: 0.4 },
  ],
}
