import Testing
import Training

@testable import Tuning

/// How settings are shared by groups of ranks.
@Suite struct WaveTests {
  private static let settings: [SearchSpace.Setting] = (1...13).map {
    SearchSpace.Setting(number: $0, values: [], configuration: Configuration())
  }

  private func sizes(_ count: Int, upTo limit: Int, ranks: Int) -> [Int] {
    Wave.waves(of: Array(Self.settings.prefix(count)), upTo: limit, ranks: ranks).map(\.groups)
  }

  @Test func `There are as many groups as settings are left, if all ranks have work`() {
    #expect(sizes(5, upTo: 2, ranks: 2) == [2, 2, 1])
    #expect(sizes(7, upTo: 4, ranks: 4) == [4, 2, 1])
    #expect(sizes(6, upTo: 2, ranks: 4) == [2, 2, 2])
    #expect(sizes(5, upTo: 6, ranks: 6) == [3, 2])
    #expect(sizes(4, upTo: 7, ranks: 7) == [1, 1, 1, 1])
    #expect(sizes(3, upTo: 1, ranks: 8) == [1, 1, 1])
    #expect(sizes(0, upTo: 2, ranks: 2) == [])
  }

  @Test func `Each setting is in one wave, in order`() {
    for (limit, ranks) in [(1, 1), (3, 6), (8, 8), (12, 12)] {
      let waves = Wave.waves(of: Self.settings, upTo: limit, ranks: ranks)
      #expect(waves.flatMap(\.settings).map(\.number) == Array(1...13))
      #expect(waves.allSatisfy { ranks % $0.groups == 0 && $0.groups <= limit })
    }
  }
}
