import Testing

@testable import Tuning

@Suite struct SearchRecordTests {
  @Test func `Of equal accuracies that of the smaller loss is the best, and of equal results the first`() {
    var record = SearchRecord(.init(configuration: "", grids: [], isPath: false, rungs: 1, data: ""))
    for (setting, loss, accuracy) in [(1, 0.9, 0.75), (2, 0.5, 0.75), (3, 0.5, 0.75), (4, 0.25, 0.5)] {
      record.add(
        TrialResult(
          trial: Trial(setting: setting, rung: 1), steps: 1, bestStep: 1, stepsInAll: 1, loss: loss, lossError: 0,
          accuracy: accuracy, balancedAccuracy: accuracy, seconds: 0))
    }
    #expect(record.best(by: .accuracy)?.trial.setting == 2)
    #expect(record.best(by: .loss)?.trial.setting == 4)
  }
}
