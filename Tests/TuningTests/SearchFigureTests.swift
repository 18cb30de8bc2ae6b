import Foundation
import Testing
import Training

@testable import Tuning

/// The picture of a search.
@Suite struct SearchFigureTests {
  private func space(_ over: [String]) throws -> SearchSpace {
    try SearchSpace([over.map { try SearchAxis($0) }]) { tried in
      try Configuration.parse("", source: "test", tried: tried).resolved()
    }
  }

  private func record(_ results: [(setting: Int, rung: Int, loss: Double?)]) -> SearchRecord {
    var record = SearchRecord(.init(configuration: "", grids: [], isPath: false, rungs: 2, data: ""))
    for (setting, rung, loss) in results {
      record.add(
        TrialResult(
          trial: Trial(setting: setting, rung: rung), steps: 1, bestStep: loss.map { _ in 1 }, stepsInAll: 1,
          loss: loss ?? .infinity, lossError: 0.125, accuracy: 0, balancedAccuracy: 0, seconds: 0))
    }
    return record
  }

  @Test func `Each axis of numbers has a panel, with a line for each combination of the others`() throws {
    // 1: fgn 0, 2: fgn 1e-3, 3: fgn 1e-2, 4 to 6: adam.
    let space = try space(["optimizer.method=fgn,adam", "optimizer.weight_decay=0,1e-3,1e-2"])
    let results = record([
      (1, 1, 2), (2, 1, 1.5), (3, 1, 1), (4, 1, nil), (5, 1, 3), (6, 1, 3.5), (2, 2, 0.5), (3, 2, 1.25),
    ])
    let figure = SearchFigure(space, results, chosen: Trial(setting: 3, rung: 2), by: .loss)
    try #require(figure.panels.map(\.key) == ["optimizer.weight_decay"])
    let panel = figure.panels[0]
    #expect(panel.values.map(\.text) == ["0", "1e-3", "1e-2"])
    #expect(panel.lines.map(\.name) == ["method=fgn", "method=adam"])
    // The best trial of each setting, but of the chosen one that which is chosen.
    #expect(
      panel.lines[0].points.map(\.loss) == [2, 0.5, 1.25]
        && panel.lines[0].points.map(\.error) == [0.125, 0.125, 0.125])
    #expect(panel.lines[0].points.map(\.isPartial) == [true, false, false])
    #expect(panel.lines[0].points.map(\.isChosen) == [false, false, true])
    // One has diverged.
    #expect(panel.lines[1].points.map(\.value) == [1e-3, 1e-2])

    let svg = try #require(figure.svg)
    #expect(svg.matches(of: /<polyline/).count == 2 && svg.matches(of: /r="3.2"/).count == 5)
    #expect(svg.matches(of: /class="chosen"/).count == 1)
    #expect(svg.contains(">optimizer.weight_decay</text>") && svg.contains(">method=adam</text>"))
  }

  @Test func `Axes of words and of one number have none, and text is escaped`() throws {
    let words = try space(["optimizer.method=fgn,adam"])
    let chosen = Trial(setting: 1, rung: 1)
    #expect(SearchFigure(words, record([(1, 1, 2), (2, 1, 1)]), chosen: chosen, by: .loss).svg == nil)
    let numbers = try space(["optimizer.weight_decay=0,0.1", "optimizer.decay_to=zero"])
    #expect(SearchFigure(numbers, record([(1, 1, 2), (2, 1, nil)]), chosen: chosen, by: .loss).svg == nil)
    let figure = SearchFigure(numbers, record([(1, 1, 2), (2, 1, 1)]), chosen: chosen, by: .loss)
    #expect(figure.svg?.contains("decay_to=zero") == true)
  }

  @Test func `Values stand at equal ratios, and zero at the edge`() {
    let places = Places([0, 1e-4, 1e-3, 1e-2], from: 10, to: 270)
    #expect(places[0] == 10 && places.gap == 40 && abs(places[1e-4] - 70) < 1e-9)
    #expect(abs(places[1e-3] - 170) < 1e-9 && abs(places[1e-2] - 270) < 1e-9)
    let positive = Places([1, 100], from: 0, to: 100)
    #expect(positive.gap == nil && positive[1] == 0 && abs(positive[10] - 50) < 1e-9)
    let signed = Places([-1, 0, 3], from: 0, to: 100)
    #expect(signed.gap == nil && signed[-1] == 0 && signed[0] == 25 && signed[3] == 100)
    #expect(Places([0, 5], from: 0, to: 100)[5] == 80)
  }

  @Test(arguments: [[0.3, 0.35, 0.41], [0.1, 3, 20], [2], [0, 0], [1e-9, 5], [0.5, 1e300]])
  func `Losses and their bars are within the panel, and ticks are round numbers`(losses: [Double]) {
    let axis = LossAxis(losses.map { ($0, 0.05) }, from: 300, to: 0)
    for loss in losses { #expect((0...300).contains(axis[loss]) && (0...300).contains(axis[loss - 1000])) }
    #expect(losses.max()! == losses.min()! || axis[losses.max()!] < axis[losses.min()!])
    #expect(axis.ticks.count >= 2 && axis.ticks.count <= 12)
    for tick in axis.ticks { #expect(String(format: "%.3g", tick).count <= 7) }
  }
}
