// Soft degradation: the game lowers its level of detail by resistance, and no player is turned away.
import { fixed, phase, playGame, reactive } from './game.mjs'

const DAY = [phase(10, 30), phase(30, 30), phase(60, 30), phase(100, 30), phase(20, 900, 100)]

export default {
  name: 'game-lod',
  shows:
    'gradual degradation: resistance chooses the level of detail, so that a full game goes on, and full detail returns',
  setUp:
    '10, 30, 60, 100 players for 30 frames each, then 20 players for 90 s; R < 15 Ω is 60 Hz, < 30 Ω is 30 Hz, else 10 Hz',
  async play({ seed }) {
    return {
      fixed: await playGame({ phases: DAY.slice(0, 4), controller: fixed, seed }),
      atrion: await playGame({ phases: DAY.slice(0, 4), controller: reactive, seed }),
      wholeDay: await playGame({ phases: DAY, controller: reactive, seed }),
    }
  },
  claims: [
    { says: 'the first switch is at frame 91', figure: 'atrion.firstSwitchTick', is: '<=', value: 91, headline: true },
    { says: 'it goes down step by step', figure: 'atrion.down', is: '=', value: 2 },
    { says: 'fewer frames miss their time', figure: 'atrion.missedShare', is: '<', than: 'fixed.missedShare' },
    { says: 'the best level returns', figure: 'wholeDay.lastLevel', is: '=', value: 0 },
    { says: 'with little hunting', figure: 'wholeDay.switches', is: '<=', value: 8 },
  ],
}
