import Foundation
import Testing

@testable import Training

@Suite struct BackOffTests: CheckpointSuite {
  @Test func `Each back-off halves the rate`() {
    #expect((0...4).map { BackOff(count: $0).rateFactor } == [1, 0.5, 0.25, 0.125, 0.0625])
  }

  @Test func `A loss is a divergence where it is a hundred times that of the first batch or of guessing`() {
    var backOff = BackOff()
    #expect(backOff.lossLimit(classes: 10) == .infinity)
    backOff.observe(loss: 3, at: 0, classes: 10)
    backOff.observe(loss: 7, at: 1, classes: 10)
    #expect(backOff.lossLimit(classes: 10) == 300)
    var fine = BackOff()
    fine.observe(loss: 0.25, at: 0, classes: 10)
    #expect(fine.lossLimit(classes: 10) == 100 * log(10))
  }

  @Test func `Steps are sound up to the last loss that was no more than at first`() {
    var backOff = BackOff()
    for (step, loss) in [3, 2.5, 4, .nan, 2, 50].enumerated() { backOff.observe(loss: loss, at: step, classes: 10) }
    #expect(backOff.soundStep == 4)
    var bad = BackOff()
    bad.observe(loss: .infinity, at: 0, classes: 10)
    #expect(bad.soundStep == -1 && bad.firstLoss == nil && bad.isEmpty)
  }

  @Test func `The parameters gone back to are not gone back to again`() {
    var backOff = BackOff()
    for step in 0...20 { backOff.observe(loss: 2, at: step, classes: 10) }
    var again = BackOff()
    again.soundStep = 9
    again.retreat(to: 10, count: 1)
    again.observe(loss: 2, at: 10, classes: 10)
    #expect(backOff.soundStep == 20 && again.soundStep == 9 && again.count == 1)
    again.observe(loss: 2, at: 11, classes: 10)
    #expect(again.soundStep == 11)
  }

  @Test func `They come back from a checkpoint, but for their number where another rate is given`() throws {
    var backOff = BackOff()
    backOff.observe(loss: 2.5, at: 0, classes: 2)
    backOff.retreat(to: 0, count: 3)
    let file = checkpoint(
      Configuration(), .init(step: 7, optimizer: .init(damping: 0.125), examples: 50, backOff: backOff))
    func resumed(_ settings: String...) throws -> BackOff {
      try RunState(file, for: Configuration.parse("", source: "", overrides: settings)).backOff
    }
    #expect(try resumed("training.on_divergence=back-off") == backOff)
    #expect(RunState.soundStep(of: file) == 0)
    let stopping = try resumed()
    #expect(stopping.count == 3 && stopping.firstLoss == nil)
    backOff.count = 0
    #expect(try resumed("training.on_divergence=back-off", "optimizer.learning_rate=0.1") == backOff)
  }

  @Test func `A checkpoint without them leaves those before it to go back to`() throws {
    let backOff = try RunState(checkpoint(), for: Configuration()).backOff
    #expect(backOff.isEmpty && backOff.soundStep == 6)
    #expect(RunState.soundStep(of: checkpoint()) == nil)
  }
}
