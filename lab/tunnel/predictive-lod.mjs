// The derivative of pressure is there before the damage: momentum as a forecast.
import { growth, phase, playGame, predictive, reactive } from './game.mjs'

const EVENING = [phase(10, 15), growth(10, 60, 20), phase(100, 15)]

export default {
  name: 'predictive-lod',
  shows: 'momentum as a forecast: the level falls while pressure still rises, before resistance requires it',
  setUp: '10 players for 15 frames, growing to 60 over 20, then 100 at once for 15; threshold 0.03 of pressure a frame',
  async play({ seed }) {
    const forecast = await playGame({ phases: EVENING, controller: predictive, seed })
    return {
      reactive: await playGame({ phases: EVENING, controller: reactive, seed }),
      predictive: { ...forecast, predictedShare: forecast.predicted / forecast.down },
    }
  },
  claims: [
    {
      says: 'three of four switches down are forecast',
      figure: 'predictive.predictedShare',
      is: '>=',
      value: 0.75,
      headline: true,
    },
    {
      says: 'the first comes earlier than without',
      figure: 'predictive.firstSwitchTick',
      is: '<',
      than: 'reactive.firstSwitchTick',
    },
    { says: 'at the latest ten frames into the growth', figure: 'predictive.firstSwitchTick', is: '<=', value: 25 },
    { says: 'and misses fewer frames', figure: 'predictive.missedShare', is: '<', than: 'reactive.missedShare' },
    { says: 'without hunting', figure: 'predictive.switches', is: '<=', value: 4 },
  ],
}
