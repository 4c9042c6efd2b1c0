//! The links of a shard, by the places of their sessions: found without a search. A link that outlives its session gives way to the next one there.

use std::collections::HashMap;

use tickwire_server::SessionKey;

use super::Hasher;
use crate::link::Link;

/// Links by the keys of their sessions.
#[derive(Default)]
pub(super) struct Links {
    places: Vec<Option<(SessionKey, Box<Link>)>>,
    /// Those whose place is another's: they say goodbye.
    others: HashMap<SessionKey, Box<Link>, Hasher>,
}

impl Links {
    pub fn get(&self, key: SessionKey) -> Option<&Link> {
        match self.places.get(key.place()) {
            Some(Some((of, link))) if *of == key => Some(link),
            _ => self.others.get(&key).map(|link| &**link),
        }
    }

    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Link> {
        match self.places.get_mut(key.place()) {
            Some(Some((of, link))) if *of == key => Some(link),
            _ => self.others.get_mut(&key).map(|link| &mut **link),
        }
    }

    pub fn insert(&mut self, key: SessionKey, link: Box<Link>) {
        let at = key.place();
        if self.places.len() <= at {
            self.places.resize_with(at + 1, || None);
        }
        if let Some((of, older)) = self.places[at].replace((key, link)) {
            self.others.insert(of, older);
        }
    }

    pub fn remove(&mut self, key: SessionKey) -> Option<Box<Link>> {
        let place = self.places.get_mut(key.place());
        let mine = place.and_then(|place| place.take_if(|(of, _)| *of == key));
        match mine {
            Some((_, link)) => Some(link),
            None => self.others.remove(&key),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (SessionKey, &Link)> {
        let placed = self.places.iter().flatten();
        let placed = placed.map(|(key, link)| (*key, &**link));
        placed.chain(self.others.iter().map(|(key, link)| (*key, &**link)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Stream;
    use crate::websocket::WebSocket;

    async fn link(key: SessionKey) -> Box<Link> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        client.unwrap();
        let (_, write) = Stream::Plain(server.unwrap().0).into_split();
        let place = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let place = place.try_acquire_owned().unwrap();
        Box::new(Link::new(key, write, WebSocket::server(4096), place))
    }

    /// The next session in a place has its link beside the one of the session before, which says goodbye.
    #[tokio::test]
    async fn a_link_outlives_its_session_beside_the_next_one() {
        const GENERATION: u64 = 1 << 24;
        let (old, new) = (SessionKey(3), SessionKey(GENERATION + 3));
        let mut links = Links::default();
        links.insert(old, link(old).await);
        assert!(links.get(new).is_none());
        links.insert(new, link(new).await);
        for key in [old, new] {
            assert_eq!(links.get_mut(key).unwrap().key.get(), key);
        }
        assert_eq!(links.iter().count(), 2);
        assert!(links.remove(new).is_some() && links.get(new).is_none());
        assert!(links.remove(old).is_some() && links.remove(old).is_none());
        assert!(links.remove(SessionKey(77)).is_none());
        assert_eq!(links.iter().count(), 0);
    }
}
