import Testing

@testable import Training

@Suite struct ModelSelectionTests {
  private func evaluation(_ value: Double) -> Evaluation {
    Evaluation(examples: 9, loss: value, accuracy: value, top5Accuracy: 1, balancedAccuracy: value)
  }

  private func selection(_ criterion: ModelSelection.Criterion, _ values: [Double]) -> (ModelSelection, [Bool]) {
    var selection = ModelSelection(by: criterion)
    let isBest = values.enumerated().map { selection.observe(evaluation($1), step: 10 * $0) }
    return (selection, isBest)
  }

  @Test func `The least loss is the best, and of equal ones the earliest`() {
    let (selection, isBest) = selection(.loss, [2, 1, 1, 3, 0.5, 0.5])
    #expect(isBest == [true, true, false, false, true, false])
    #expect(selection.best == .init(step: 40, value: 0.5) && selection.failures == 1 && selection.evaluatedStep == 50)
  }

  @Test(arguments: [ModelSelection.Criterion.accuracy, .balancedAccuracy])
  func `The greatest accuracy is the best`(criterion: ModelSelection.Criterion) {
    let (selection, isBest) = selection(criterion, [0.1, 0.7, 0.7, 0.2])
    #expect(isBest == [true, true, false, false] && selection.best == .init(step: 10, value: 0.7))
  }

  @Test func `What is not finite is never the best`() {
    for criterion in ModelSelection.Criterion.allCases {
      let (selection, isBest) = selection(criterion, [.nan, .infinity, -.infinity, 0.3, .nan])
      #expect(isBest == [false, false, false, true, false] && selection.best?.step == 30)
    }
    let (none, _) = selection(.loss, [.nan, .infinity])
    #expect(none.best == nil && none.failures == 2 && BestModel(none, lastStep: 9) == nil)
  }

  @Test func `Patience counts the evaluations since the best`() {
    let (selection, _) = selection(.loss, [1, 2, 3, 4])
    #expect(selection.exhausts(3) && !selection.exhausts(4) && !selection.exhausts(nil))
  }

  @Test func `A loss has risen where evaluations in a row are worse than the one before each`() {
    func hasRisen(_ values: [Double], by criterion: ModelSelection.Criterion = .loss, _ count: Int? = 3) -> Bool {
      selection(criterion, values).0.hasRisen(count)
    }
    #expect(hasRisen([9, 1, 2, 3, 4]) && !hasRisen([9, 1, 2, 3, 4], nil))
    #expect(hasRisen([0.1, 0.9, 0.8, 0.7, 0.6], by: .accuracy))
    // A fall, an equal value, too few of them.
    #expect(!hasRisen([9, 1, 2, 3, 2.5]) && !hasRisen([9, 1, 2, 2, 3]) && !hasRisen([9, 1, 2, 3]))
    #expect(hasRisen([9, 1, 5, 4, 5, 6, 7]) && hasRisen([9, 1, 2, .nan, 3]))
    // Those that begin with a jump come down again.
    #expect(!hasRisen([1, 2, 3, 4]))
  }

  @Test func `The best model says which it is`() throws {
    let (selection, _) = selection(.loss, [1, 0.31, 4])
    #expect(
      "\(try #require(BestModel(selection, lastStep: 20)))"
        == "step 10, validation loss 0.31; the run went on to step 20")
    #expect("\(try #require(BestModel(selection, lastStep: 10)))".hasSuffix("the last step of the run"))
  }
}
