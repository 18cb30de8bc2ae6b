import TestSupport
import Testing

@testable import Training

/// Runs on any number of ranks.
@Suite(.serialized) struct SuspectsCollectiveTests {
  func example(_ row: Int, _ margin: Double) -> Suspects.Example {
    Suspects.Example(
      row: row, label: row % 3, predicted: (row + 1) % 3, labelProbability: 0.25, predictedProbability: 0.5,
      margin: margin)
  }

  /// Margins with many equal ones, in no particular order.
  let margins = (0..<500).map { Double(($0 * 7919) % 97) - 40 }

  @Test(arguments: [1, 2, 7, 100, 499, 500, 1000])
  func `The least are kept, in order, whatever comes first`(limit: Int) {
    let expected = margins.indices.sorted { (margins[$0], $0) < (margins[$1], $1) }.prefix(limit)
    for order in [Array(margins.indices), margins.indices.reversed()] {
      var suspects = Suspects(limit: limit)
      for row in order { suspects.add(example(row, margins[row])) }
      #expect(suspects.examples.map(\.row) == Array(expected))
    }
  }

  @Test func `The ranks together have the same`() throws {
    let world = World.communicator
    var (own, all) = (Suspects(limit: 30), Suspects(limit: 30))
    for row in margins.indices {
      all.add(example(row, margins[row]))
      if row % world.size == world.rank { own.add(example(row, margins[row])) }
    }
    let gathered = try own.gather(over: world)
    #expect((gathered == nil) == (world.rank > 0))
    if let gathered { #expect(gathered.examples == all.examples) }
    let none = try Suspects(limit: 5).gather(over: world)
    if let none { #expect(none.examples.isEmpty) }
  }

  @Test func `A margin that is no number comes first`() {
    var suspects = Suspects(limit: 2)
    for (row, margin) in [-3, Double.nan, -Double.infinity, 4].enumerated() { suspects.add(example(row, margin)) }
    #expect(suspects.examples.map(\.row) == [1, 2])
  }

  @Test func `The table names the classes`() {
    var suspects = Suspects(limit: 2)
    suspects.add(example(7, -1.0 / 3))
    suspects.add(example(2, -1e-12))
    let header = "row,label,predicted,label_probability,predicted_probability,margin\n"
    #expect(suspects.table(nil) == header + "7,1,2,0.25,0.5,-0.333333\n2,2,0,0.25,0.5,-1e-12\n")
    #expect(
      suspects.table(["a", "b,c", "d"]) == header + "7,\"b,c\",d,0.25,0.5,-0.333333\n2,d,a,0.25,0.5,-1e-12\n")
  }
}
