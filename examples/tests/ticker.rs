//! The ticker: prices on the page, and newer ones on the stream.

use examples::Example;

#[test]
fn prices_are_on_the_page_and_move() {
    let ticker = Example::start("ticker");
    let client = ticker.client();
    let mut stream = client.sse("/sse").open_sse();
    let (first, second) = (stream.next_event().data, stream.next_event().data);
    assert_ne!(first, second);
    for prices in [&first, &second] {
        let symbols: Vec<&str> = prices
            .split(' ')
            .map(|pair| pair.split('=').next().unwrap())
            .collect();
        assert_eq!(symbols, ["ACME", "GLOBEX", "HOOLI", "INITECH", "UMBRELLA"]);
        assert!(prices.split(' ').all(|pair| {
            let (_, price) = pair.split_once('=').unwrap();
            price.split_once('.').is_some_and(|(_, cents)| cents.len() == 2) && price.parse::<f64>().is_ok()
        }));
    }
    let page = client.get("/").send().expect(200).text();
    assert!(
        page.contains("<td id=\"ACME\">") && page.contains("<td id=\"UMBRELLA\">"),
        "{page}"
    );
}
