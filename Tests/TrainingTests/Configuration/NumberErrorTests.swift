import Testing

@testable import Training

@Suite struct NumberErrorTests {
  /// The keys that take a number with a fraction.
  private static let numbers = Configuration().leaves.map(\.key).filter { key in
    do {
      _ = try Configuration.parse("", source: "", overrides: ["\(key)=some"])
      return false
    } catch {
      return "\(error)".contains("it must be a number")
    }
  }

  @Test func `Numbers that are none are refused everywhere, by their own key`() {
    #expect(Self.numbers.count == 21, "\(Self.numbers)")
    for key in Self.numbers {
      for value in [".nan", ".inf", "-.inf", "nan", "inf", "1e999"] {
        let error = #expect(throws: ConfigurationError.self, "\(key) \(value)") {
          try Configuration.parse("", source: "test.yaml", overrides: ["\(key)=\(value)"])
        }
        #expect(error?.key == key, "\(value): \(String(describing: error))")
        #expect(error?.problem.contains("is impossible; it must be finite") == true, "\(String(describing: error))")
      }
      let negative = #expect(throws: ConfigurationError.self, "\(key)") {
        try Configuration.parse("", source: "test.yaml", overrides: ["\(key)=-1"])
      }
      #expect(negative?.key == key && negative?.problem.hasPrefix("-1.0 is impossible; it must be") == true)
    }
  }

  @Test func `The word auto is answered with null where the program can choose`() throws {
    for key in try Configuration.automaticKeys where key != "data.normalize" {
      for word in ["auto", "default"] {
        let error = #expect(throws: ConfigurationError.self) {
          try Configuration.parse("", source: "test.yaml", overrides: ["\(key)=\(word)"])
        }
        #expect(error?.key == key)
        #expect(error?.problem.hasSuffix(", or null for the program to choose") == true, "\(key)")
      }
    }
    for key in ["training.steps", "data.classes", "model.input_shape", "data.class_weights"] {
      let error = #expect(throws: ConfigurationError.self) {
        try Configuration.parse("", source: "test.yaml", overrides: ["\(key)=auto"])
      }
      #expect(error?.problem.contains("it must be null") == true, "\(key)")
    }
  }
}
