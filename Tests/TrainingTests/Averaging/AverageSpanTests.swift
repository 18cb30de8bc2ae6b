import Testing

@testable import Training

@Suite struct AverageSpanTests {
  private func options(_ kind: AverageOptions.Kind, from: Double = 0.5, decay: Double = 0.9) -> AverageOptions {
    var options = AverageOptions()
    (options.kind, options.from, options.decay) = (kind, from, decay)
    return options
  }

  @Test(arguments: [
    (0.5, 240, 0, 121), (0.5, 5, 0, 3), (0, 7, 0, 1), (0.999, 7, 0, 7), (1.0.nextDown, 3, 0, 3), (0.5, 1, 0, 1),
    (0.5, 240, 100, 121), (0.5, 240, 150, 151), (0.9, 1_000_000_000, 0, 900_000_001),
  ])
  func `A tail begins behind its share of the planned steps, and has one step at least`(
    from: Double, steps: Int, done: Int, first: Int
  ) {
    let span = AverageSpan(options(.tail, from: from), steps: steps, after: done)
    #expect(span?.first == first && span?.isEmpty == true && span?.isPossible(after: done) == true)
  }

  @Test func `An exponential average begins with the next step, and without a kind there is none`() {
    #expect(
      AverageSpan(options(.ema), steps: 9)?.first == 1 && AverageSpan(options(.ema), steps: 9, after: 4)?.first == 5)
    #expect(AverageSpan(options(.none), steps: 9) == nil)
  }

  @Test func `Weights make the mean of a tail`() throws {
    var span = try #require(AverageSpan(options(.tail), steps: 10))
    let weights = (1...10).map { span.include(step: $0) }
    let expected: [Double?] = [nil, nil, nil, nil, nil, 1, 0.5, 1.0 / 3, 0.25, 0.2]
    #expect(weights == expected)
    #expect(span.description == "average of steps 6 to 10" && span.count == 5 && span.isPossible(after: 10))
  }

  @Test(arguments: [0, 0.5, 0.999, 1.0.nextDown])
  func `Weights of an exponential average begin with 1 and fall to what decays`(decay: Double) throws {
    var span = try #require(AverageSpan(options(.ema, decay: decay), steps: 10))
    let start = span.include(step: 1)
    #expect(start == 1 && span.description.hasPrefix("exponential average of step 1 alone, decay "))
    var (last, sum) = (1.0, 1.0)
    for step in 2...60 {
      sum = 1 + decay * sum
      let included = span.include(step: step)
      let weight = try #require(included)
      #expect(weight <= last && abs(weight - 1 / sum) <= 1e-9 / sum)
      last = weight
    }
  }

  @Test func `What no run can have is known`() throws {
    let span = try #require(AverageSpan(options(.tail), steps: 10))
    #expect(span.isPossible(after: 5) && !span.isPossible(after: 6))
    var begun = span
    for step in 1...7 { _ = begun.include(step: step) }
    #expect(begun.isPossible(after: 7) && !begun.isPossible(after: 6) && !begun.isPossible(after: 8))
  }
}
